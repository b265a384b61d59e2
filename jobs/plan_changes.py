"""spark-submit jobs/plan_changes.py --source S --catalog C --run-id R: plan a night."""

from lookdex.cli.plan import plan_command

if __name__ == "__main__":
    plan_command(prog_name="plan_changes.py")

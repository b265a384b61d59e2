"""spark-submit jobs/build_release.py --catalog C --run-id R: build a candidate from the night's shards."""

from lookdex.cli.build import build_command

if __name__ == "__main__":
    build_command(prog_name="build_release.py")

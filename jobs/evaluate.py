"""spark-submit jobs/evaluate.py COMMAND …: `lookdex evaluate` with the models in Spark tasks."""

from lookdex.cli.evaluate import evaluate

if __name__ == "__main__":
    on_spark = {name: {"spark": True} for name in evaluate.commands}
    evaluate(prog_name="evaluate.py", default_map=on_spark)

"""spark-submit jobs/evaluate.py VERB …: `lookdex evaluate`, its models in the tasks of the submitted session."""

from lookdex.cli.evaluate import evaluate

if __name__ == "__main__":
    on_spark = {name: {"spark": True} for name in evaluate.commands}
    evaluate(prog_name="evaluate.py", default_map=on_spark)

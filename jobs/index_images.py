"""spark-submit jobs/index_images.py --source S --catalog C --run-id R: index the planned photos, shard by shard."""

from lookdex.cli.index import index_command

if __name__ == "__main__":
    index_command(prog_name="index_images.py")

"""Training of embedders: lookdex-tiny's and fine-tuning on a shop (`finetune`), with one loop (`fit`)."""

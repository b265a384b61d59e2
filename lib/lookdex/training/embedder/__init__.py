"""How embedders are trained: lookdex-tiny's (`recipe`, `refine`) and a shop's own (`finetune`), by one loop (`fit`)."""

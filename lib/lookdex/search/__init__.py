"""What answers a photo: the open catalogue, its typed answer, and the picture of it."""

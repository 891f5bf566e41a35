"""Running without computing: operators on the meta device, where tensors have shapes and no data."""

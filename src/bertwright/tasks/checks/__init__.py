"""What can be wrong with labelled data although it can be read: one small function a check, all of them in `listed`."""

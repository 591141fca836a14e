"""Storage: the home folder, files written whole, artefacts."""

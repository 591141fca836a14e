"""Where things lie: the home folder, files written whole, artefacts."""

"""SANAS: architecture search in which saliency maps reweight the images of a second network."""

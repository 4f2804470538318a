"""The images, and what a release tells Terraform of them."""

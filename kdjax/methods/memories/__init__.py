"""What methods keep between steps: banks with a row an image, queues, and how both are drawn from."""

"""What is kept of people and for how long: retention, stored audio, export, and forgetting on request."""

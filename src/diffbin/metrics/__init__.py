"""Scores of detections against labels."""

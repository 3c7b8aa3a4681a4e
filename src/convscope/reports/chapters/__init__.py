"""The chapters of a tour, one file for each part of the lecture."""

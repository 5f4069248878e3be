"""Tests of the trajectory explorer."""

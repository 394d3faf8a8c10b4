"""The tested code behind the lessons: one module a lesson, imported by name (`from helpers import data`).

Importing the package imports nothing heavy; each module imports what it needs.
"""

__version__ = "0.1.0"

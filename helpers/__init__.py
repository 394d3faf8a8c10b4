"""The tested code behind the lessons: one module a subject, imported by name (`from helpers import data`).

Importing the package imports nothing heavy; each module imports what it needs. It does choose the
backend, since that must be settled before the first import of Keras, whichever helper comes first.
"""

from helpers import runtime

__version__ = "0.1.0"

runtime.settle_backend()

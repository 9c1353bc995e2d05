"""The paper's Table 2 in one command: a table of trainings, each evaluated, beside the paper's.

``plan`` says which runs there are and by which commands, ``runner`` carries them out side by
side, ``summary`` gathers their figures over seeds and ``display`` prints them.
"""

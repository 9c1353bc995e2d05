"""A folder for people to look at: the figures of a run with the pictures and charts behind them.

``write.py`` puts it together from a run's figures and its ``Material``; one file a section says
what is shown, ``pictures.py`` and ``charts.py`` make the images, ``templates/`` the page.
"""

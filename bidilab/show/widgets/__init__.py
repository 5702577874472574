"""Widgets for JupyterLab and Notebook 7: Python classes here, JavaScript and CSS in ``static/``, no build step."""

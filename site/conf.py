"""Sphinx's settings for both editions. building.py prepares the pages, and gives the language, the title and the folders."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import searching

project = "BERT from text to product"
author = "the authors of the course"
root_doc = "index"
extensions = ["myst_nb", "sphinx_copybutton"]
nb_execution_mode = "off"  # outputs are those that the repository holds
myst_enable_extensions = ["dollarmath"]  # without it formulas stay raw
myst_heading_anchors = 3
suppress_warnings = ["misc.highlighting_failure"]  # cells that must not parse
copybutton_selector = "div.highlight pre"
html_search_language = searching.Search.lang

mathjax_path = "mathjax/tex-chtml.js"
mathjax3_config = {"options": {"enableMenu": False}}
html_theme = "sphinx_book_theme"
html_favicon = "static/favicon.svg"
html_css_files = ["course.css"]
html_js_files = ["course.js"]
html_context = {"default_mode": "auto"}  # dark or light as the reader's system has it
html_use_index = False
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_show_sphinx = False
html_theme_options = {
    "use_download_button": False,
    "use_fullscreen_button": False,
    "home_page_in_toc": True,
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "navbar_persistent": [],
    "footer_content_items": ["extra-footer.html"],
    "extra_footer": "Code: Apache-2.0. Prose and data: CC BY 4.0.",
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}

"""The program with the pseudo-locales of a folder (ACCORD_TEST_LOCALES): `python -m tests.support.pseudo_app serve`."""

import os
import sys
from pathlib import Path

from app.__main__ import main
from app.web import i18n

i18n.LOCALE_FOLDER = Path(os.environ["ACCORD_TEST_LOCALES"])

if __name__ == "__main__":
    sys.exit(main())

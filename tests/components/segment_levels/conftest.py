"""The real engine is run where a site names an environment that holds it: its packages are in no lock of ours."""

import os

collect_ignore = [] if os.environ.get("OSTEOGATE_ENGINE_ENVIRONMENT") else ["test_real_engine.py"]

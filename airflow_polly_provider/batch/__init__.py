<<<<<<< HEAD
"""Starts, awaits and delivers many texts in one Airflow task."""
=======
"""Many synthesis tasks in one Airflow task."""
>>>>>>> 6733a3676f08ea3b8bc66835f3e69483a4f7a6ae

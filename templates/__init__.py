"""user_data templates that are ready for use, and the pages of the web sites."""

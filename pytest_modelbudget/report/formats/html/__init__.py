"""The HTML report: values for its template, and the template with its style and script."""

"""Values in, Plotly figures out. The only place that imports plotly; `style`, the look, does without it."""

"""A local page in the browser that shows what a model makes of a video or a picture.

- `scoring`: the scores and the drawings, without a page.
- `page`: the page, made with Gradio.
- `server`: the server, for this machine alone.
"""

"""BrowserModel: the pushed model as TensorFlow.js files, with a page that needs no server."""

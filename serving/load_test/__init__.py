"""A load test of any server: ``python -m serving.load_test``. :mod:`serving.load_test.echo` shows what gRPC alone costs."""

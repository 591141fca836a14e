"""The published conformance suites explain their failures like tests of our own."""

import pytest

pytest.register_assert_rewrite("harness.conformance.spaces")

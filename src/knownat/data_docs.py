from knownat.expectation_engine import page

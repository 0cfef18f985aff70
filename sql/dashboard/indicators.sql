select indicator, value::float8, state, healthy, warning, critical from raw_ops.health_indicators

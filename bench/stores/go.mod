module chatd/bench/stores

go 1.26.0

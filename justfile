# Thin on purpose: the work is in `cargo xtask`.
default:
    @just --list

# every test
test *ARGS:
    cargo xtask test {{ARGS}}

# what CI runs
ci:
    cargo xtask ci

# the main job on the shipped scenarios
basics:
    cargo run -- run scenarios/basics

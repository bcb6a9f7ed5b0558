"""The screens: each shows one thing as text. They ask nothing and decide nothing."""

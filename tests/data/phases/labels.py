"""The labels, written by hand: one letter per call, in the order of the calls. `README.md` says by which rules.

P planning, I implementing, D debugging, T testing, W documenting (writing up), S summarising.
"""

from __future__ import annotations

# (task, trial) of tau-bench airline -> phases. Step labels follow from what came next.
AIRLINE = {
    "tuned_on": {
        (4, 0): "PPPPPPPIIPPI",
        (8, 0): "PPPPPPPP",
        (14, 0): "PPPPPPPPPPPIII",
        (18, 0): "PPPPPPI",
        (22, 0): "PPPPPPPPPII",
        (28, 0): "PPPPPPPPPPIIIIIPI",
        (34, 0): "PPPPPPPPPPPPIIII",
        (44, 0): "PPPPPPP",
        (0, 0): "PPPPPPPPPIDDDII",
        (26, 0): "PPPPPIIPPPIDDII",
        (32, 0): "PPPPPPPPPIDDDIII",
        (0, 1): "PPPPPPPIDDII",
    },
    "held_out": {
        (3, 0): "P" * 19 + "I" + "D" * 8 + "II",
        (15, 0): "PPPPPPPIIPPPII",
        (19, 0): "PPPPPPPPPPPIII",
        (25, 0): "PPPPIIPPPPPPPII",
        (31, 0): "P" * 15 + "II",
        (37, 0): "PPPPPPPIIPPI",
        (43, 0): "PPPPII",
    },
}

# (session, first labelled call) of agent_sessions -> phases. The calls before are context.
SESSIONS = {
    "tuned_on": {
        ("417ae2f1e6ea", 0): "P" * 28 + "IIII",
        ("abaeaffe9cf2", 0): "P" * 17 + "II" + "TTTT" + "P" * 14 + "III",
        ("fc8d11354e90", 0): "P" * 20 + "III" + "P" * 7 + "I" * 8 + "TT",
        ("707e29bbcc04", 0): "PPPP" + "I" * 25 + "TT" + "I" * 6 + "TTT",
        ("2c84d82a3afa", 0): "P" * 37 + "III",
        ("74e0f231318a", 60): "T" * 9 + "P" * 7 + "II" + "DDDD" + "TTT" + "DDD" + "TT",
        ("a40b9c0c7c46", 350): "PPPPP" + "I" * 7 + "D" * 8 + "II" + "D" * 8,
        ("fc8d11354e90", 50): "I" * 15 + "TT" + "D" * 13,
        ("aba444d13a86", 30): "IIIIIIIDDPIIIDDIIIIIITTDDTTIII",
        ("4e4cfdf46948", 0): "PPPPPIITDDTTTTTTTTTIIIITTTDDDD",
    },
    "held_out": {
        ("181347f5dac5", 0): "P" * 15 + "III" + "P" * 12,
        ("bb6185e5ed71", 0): "P" * 20 + "IIT" + "I" * 7,
        ("20c8c6b51f5f", 0): "P" * 30,
        ("624b2c0cb47b", 0): "P" * 14 + "I" * 10 + "T" * 5 + "P",
        ("08125d92ad29", 0): "P" * 30,
        ("f52f27f6edff", 110): "I" * 7 + "T" + "D" * 5 + "II" + "T" + "D" * 14,
        ("93e36da09793", 0): "P" * 6 + "IIII" + "T" * 9 + "II" + "TT" + "DDD" + "II" + "TT",
        ("9827377d6f83", 30): "I" + "T" * 9 + "DDDD" + "T" * 16,
        ("bb4a184a00a5", 0): "P" * 26 + "IIII",
    },
}

# Recorded requests, numbered in the order in which `make.py` meets them: those that are not plain planning, and those
# whose step is not what the roles say (an attachment sent as a user message after the tool result; a failure in words).
TRAFFIC = {
    "tuned_on": (
        {22: "W", 39: "I", 40: "I", 41: "I", 42: "I", 47: "W"},
        {10: "failure", 11: "final_answer", 16: "final_answer", 19: "failure", 37: "failure", 53: "failure"},
    ),
    "held_out": ({27: "I"}, {33: "final_answer", 34: "final_answer", 36: "final_answer"}),
}

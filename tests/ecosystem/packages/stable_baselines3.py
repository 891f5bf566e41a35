"""stable-baselines3: policies of its algorithms, for a small screen or eight numbers."""

from __future__ import annotations

import numpy as np
import torch
from ecosystem.case import Case
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticCnnPolicy, ActorCriticPolicy
from stable_baselines3.dqn.policies import DQNPolicy
from stable_baselines3.sac.policies import SACPolicy
from stable_baselines3.td3.policies import TD3Policy

NUMBERS = spaces.Box(-1, 1, (8,), np.float32)
SCREEN = spaces.Box(0, 255, (1, 36, 36), np.uint8)
STATE = (torch.zeros(4, 8),)
FRAMES = (torch.zeros(2, 1, 36, 36, dtype=torch.uint8),)


def rate(_: float) -> float:
    return 1e-3


CASES = [
    Case("ActorCriticPolicy", lambda: ActorCriticPolicy(NUMBERS, spaces.Discrete(3), rate), STATE),
    Case("ActorCriticPolicy, continuous", lambda: ActorCriticPolicy(NUMBERS, NUMBERS, rate), STATE),
    Case("ActorCriticCnnPolicy", lambda: ActorCriticCnnPolicy(SCREEN, spaces.Discrete(3), rate), FRAMES),
    Case("DQNPolicy", lambda: DQNPolicy(NUMBERS, spaces.Discrete(3), rate), STATE),
    Case("SACPolicy", lambda: SACPolicy(NUMBERS, NUMBERS, rate), STATE),
    Case("TD3Policy", lambda: TD3Policy(NUMBERS, NUMBERS, rate), STATE),
]

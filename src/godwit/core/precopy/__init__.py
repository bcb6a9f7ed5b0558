"""Pre-copy: the forecast of a migration before it, and its steering while it runs."""

from godwit.core.precopy.copying import Course, CourseEnd, Way, simulate
from godwit.core.precopy.dirtying import DirtyCurve, fit_curve
from godwit.core.precopy.forecasting import ForecastInputs, forecast
from godwit.core.precopy.learning import (
    MoveFacts,
    learn_path,
    learn_vm,
    observations_of,
    with_samples,
)
from godwit.core.precopy.orders import (
    GiveUp,
    Keep,
    Order,
    RaiseBandwidth,
    RaisePause,
    RaiseThrottle,
    Situation,
    StartPostcopy,
)
from godwit.core.precopy.recipes import HostRoom, choose_recipe
from godwit.core.precopy.scoring import Accuracy, accuracy, calibrate, score
from godwit.core.precopy.sharing import Flow, LinkShare, share
from godwit.core.precopy.steering import steer

__all__ = [
    "Accuracy",
    "Course",
    "CourseEnd",
    "DirtyCurve",
    "Flow",
    "ForecastInputs",
    "GiveUp",
    "HostRoom",
    "Keep",
    "LinkShare",
    "MoveFacts",
    "Order",
    "RaiseBandwidth",
    "RaisePause",
    "RaiseThrottle",
    "Situation",
    "StartPostcopy",
    "Way",
    "accuracy",
    "calibrate",
    "choose_recipe",
    "fit_curve",
    "forecast",
    "learn_path",
    "learn_vm",
    "observations_of",
    "score",
    "share",
    "simulate",
    "steer",
    "with_samples",
]

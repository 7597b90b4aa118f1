"""Functions of the database, by the names that Django gives them; each is found on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webframe._lazy import lazy_door

if TYPE_CHECKING:
    from webframe.db.models.functions.comparison import Cast as Cast
    from webframe.db.models.functions.comparison import Coalesce as Coalesce
    from webframe.db.models.functions.comparison import Collate as Collate
    from webframe.db.models.functions.comparison import Greatest as Greatest
    from webframe.db.models.functions.comparison import JSONObject as JSONObject
    from webframe.db.models.functions.comparison import Least as Least
    from webframe.db.models.functions.comparison import NullIf as NullIf
    from webframe.db.models.functions.datetime import Extract as Extract
    from webframe.db.models.functions.datetime import ExtractDay as ExtractDay
    from webframe.db.models.functions.datetime import ExtractHour as ExtractHour
    from webframe.db.models.functions.datetime import ExtractIsoWeekDay as ExtractIsoWeekDay
    from webframe.db.models.functions.datetime import ExtractIsoYear as ExtractIsoYear
    from webframe.db.models.functions.datetime import ExtractMinute as ExtractMinute
    from webframe.db.models.functions.datetime import ExtractMonth as ExtractMonth
    from webframe.db.models.functions.datetime import ExtractQuarter as ExtractQuarter
    from webframe.db.models.functions.datetime import ExtractSecond as ExtractSecond
    from webframe.db.models.functions.datetime import ExtractWeek as ExtractWeek
    from webframe.db.models.functions.datetime import ExtractWeekDay as ExtractWeekDay
    from webframe.db.models.functions.datetime import ExtractYear as ExtractYear
    from webframe.db.models.functions.datetime import Now as Now
    from webframe.db.models.functions.datetime import Trunc as Trunc
    from webframe.db.models.functions.datetime import TruncDate as TruncDate
    from webframe.db.models.functions.datetime import TruncDay as TruncDay
    from webframe.db.models.functions.datetime import TruncHour as TruncHour
    from webframe.db.models.functions.datetime import TruncMinute as TruncMinute
    from webframe.db.models.functions.datetime import TruncMonth as TruncMonth
    from webframe.db.models.functions.datetime import TruncQuarter as TruncQuarter
    from webframe.db.models.functions.datetime import TruncSecond as TruncSecond
    from webframe.db.models.functions.datetime import TruncTime as TruncTime
    from webframe.db.models.functions.datetime import TruncWeek as TruncWeek
    from webframe.db.models.functions.datetime import TruncYear as TruncYear
    from webframe.db.models.functions.math import Abs as Abs
    from webframe.db.models.functions.math import ACos as ACos
    from webframe.db.models.functions.math import ASin as ASin
    from webframe.db.models.functions.math import ATan as ATan
    from webframe.db.models.functions.math import ATan2 as ATan2
    from webframe.db.models.functions.math import Ceil as Ceil
    from webframe.db.models.functions.math import Cos as Cos
    from webframe.db.models.functions.math import Cot as Cot
    from webframe.db.models.functions.math import Degrees as Degrees
    from webframe.db.models.functions.math import Exp as Exp
    from webframe.db.models.functions.math import Floor as Floor
    from webframe.db.models.functions.math import Ln as Ln
    from webframe.db.models.functions.math import Log as Log
    from webframe.db.models.functions.math import Mod as Mod
    from webframe.db.models.functions.math import Pi as Pi
    from webframe.db.models.functions.math import Power as Power
    from webframe.db.models.functions.math import Radians as Radians
    from webframe.db.models.functions.math import Random as Random
    from webframe.db.models.functions.math import Round as Round
    from webframe.db.models.functions.math import Sign as Sign
    from webframe.db.models.functions.math import Sin as Sin
    from webframe.db.models.functions.math import Sqrt as Sqrt
    from webframe.db.models.functions.math import Tan as Tan
    from webframe.db.models.functions.text import MD5 as MD5
    from webframe.db.models.functions.text import SHA1 as SHA1
    from webframe.db.models.functions.text import SHA224 as SHA224
    from webframe.db.models.functions.text import SHA256 as SHA256
    from webframe.db.models.functions.text import SHA384 as SHA384
    from webframe.db.models.functions.text import SHA512 as SHA512
    from webframe.db.models.functions.text import Chr as Chr
    from webframe.db.models.functions.text import Concat as Concat
    from webframe.db.models.functions.text import ConcatPair as ConcatPair
    from webframe.db.models.functions.text import Left as Left
    from webframe.db.models.functions.text import Length as Length
    from webframe.db.models.functions.text import Lower as Lower
    from webframe.db.models.functions.text import LPad as LPad
    from webframe.db.models.functions.text import LTrim as LTrim
    from webframe.db.models.functions.text import Ord as Ord
    from webframe.db.models.functions.text import Repeat as Repeat
    from webframe.db.models.functions.text import Replace as Replace
    from webframe.db.models.functions.text import Reverse as Reverse
    from webframe.db.models.functions.text import Right as Right
    from webframe.db.models.functions.text import RPad as RPad
    from webframe.db.models.functions.text import RTrim as RTrim
    from webframe.db.models.functions.text import StrIndex as StrIndex
    from webframe.db.models.functions.text import Substr as Substr
    from webframe.db.models.functions.text import Trim as Trim
    from webframe.db.models.functions.text import Upper as Upper
    from webframe.db.models.functions.window import CumeDist as CumeDist
    from webframe.db.models.functions.window import DenseRank as DenseRank
    from webframe.db.models.functions.window import FirstValue as FirstValue
    from webframe.db.models.functions.window import Lag as Lag
    from webframe.db.models.functions.window import LastValue as LastValue
    from webframe.db.models.functions.window import Lead as Lead
    from webframe.db.models.functions.window import NthValue as NthValue
    from webframe.db.models.functions.window import Ntile as Ntile
    from webframe.db.models.functions.window import PercentRank as PercentRank
    from webframe.db.models.functions.window import Rank as Rank
    from webframe.db.models.functions.window import RowNumber as RowNumber

# The names of each file.
_NAMES = {
    ".comparison": "Cast Coalesce Collate Greatest JSONObject Least NullIf",
    ".datetime": "Extract ExtractDay ExtractHour ExtractIsoWeekDay ExtractIsoYear ExtractMinute ExtractMonth "
    "ExtractQuarter ExtractSecond ExtractWeek ExtractWeekDay ExtractYear Now Trunc TruncDate TruncDay "
    "TruncHour TruncMinute TruncMonth TruncQuarter TruncSecond TruncTime TruncWeek TruncYear",
    ".math": "ACos ASin ATan ATan2 Abs Ceil Cos Cot Degrees Exp Floor Ln Log Mod Pi Power Radians Random Round "
    "Sign Sin Sqrt Tan",
    ".text": "Chr Concat ConcatPair LPad LTrim Left Length Lower MD5 Ord RPad RTrim Repeat Replace Reverse Right "
    "SHA1 SHA224 SHA256 SHA384 SHA512 StrIndex Substr Trim Upper",
    ".window": "CumeDist DenseRank FirstValue Lag LastValue Lead NthValue Ntile PercentRank Rank RowNumber",
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}

__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_door(__name__, _HOMES)

"""What people write as `models.`: fields, `Model`, expressions, constraints and the rest, found on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webframe._lazy import lazy_door

if TYPE_CHECKING:
    from webframe.core.exceptions import ObjectDoesNotExist as ObjectDoesNotExist
    from webframe.db.models.aggregates import Aggregate as Aggregate
    from webframe.db.models.aggregates import Avg as Avg
    from webframe.db.models.aggregates import Count as Count
    from webframe.db.models.aggregates import Max as Max
    from webframe.db.models.aggregates import Min as Min
    from webframe.db.models.aggregates import StdDev as StdDev
    from webframe.db.models.aggregates import Sum as Sum
    from webframe.db.models.aggregates import Variance as Variance
    from webframe.db.models.base import Model as Model
    from webframe.db.models.calls import ExpressionWrapper as ExpressionWrapper
    from webframe.db.models.calls import Func as Func
    from webframe.db.models.calls import Transform as Transform
    from webframe.db.models.cases import Case as Case
    from webframe.db.models.cases import When as When
    from webframe.db.models.conditions import Q as Q
    from webframe.db.models.constraints import BaseConstraint as BaseConstraint
    from webframe.db.models.constraints import CheckConstraint as CheckConstraint
    from webframe.db.models.constraints import Deferrable as Deferrable
    from webframe.db.models.constraints import UniqueConstraint as UniqueConstraint
    from webframe.db.models.deletion import CASCADE as CASCADE
    from webframe.db.models.deletion import DO_NOTHING as DO_NOTHING
    from webframe.db.models.deletion import PROTECT as PROTECT
    from webframe.db.models.deletion import RESTRICT as RESTRICT
    from webframe.db.models.deletion import SET as SET
    from webframe.db.models.deletion import SET_DEFAULT as SET_DEFAULT
    from webframe.db.models.deletion import SET_NULL as SET_NULL
    from webframe.db.models.deletion import ProtectedError as ProtectedError
    from webframe.db.models.deletion import RestrictedError as RestrictedError
    from webframe.db.models.enums import Choices as Choices
    from webframe.db.models.enums import IntegerChoices as IntegerChoices
    from webframe.db.models.enums import TextChoices as TextChoices
    from webframe.db.models.expressions import F as F
    from webframe.db.models.expressions import OrderBy as OrderBy
    from webframe.db.models.expressions import Value as Value
    from webframe.db.models.fields.base import NOT_PROVIDED as NOT_PROVIDED
    from webframe.db.models.fields.base import Field as Field
    from webframe.db.models.fields.dates import DateField as DateField
    from webframe.db.models.fields.dates import DateTimeField as DateTimeField
    from webframe.db.models.fields.dates import DurationField as DurationField
    from webframe.db.models.fields.dates import TimeField as TimeField
    from webframe.db.models.fields.numbers import AutoField as AutoField
    from webframe.db.models.fields.numbers import BigAutoField as BigAutoField
    from webframe.db.models.fields.numbers import BigIntegerField as BigIntegerField
    from webframe.db.models.fields.numbers import BooleanField as BooleanField
    from webframe.db.models.fields.numbers import DecimalField as DecimalField
    from webframe.db.models.fields.numbers import FloatField as FloatField
    from webframe.db.models.fields.numbers import IntegerField as IntegerField
    from webframe.db.models.fields.numbers import PositiveBigIntegerField as PositiveBigIntegerField
    from webframe.db.models.fields.numbers import PositiveIntegerField as PositiveIntegerField
    from webframe.db.models.fields.numbers import PositiveSmallIntegerField as PositiveSmallIntegerField
    from webframe.db.models.fields.numbers import SmallAutoField as SmallAutoField
    from webframe.db.models.fields.numbers import SmallIntegerField as SmallIntegerField
    from webframe.db.models.fields.other import BinaryField as BinaryField
    from webframe.db.models.fields.other import GenericIPAddressField as GenericIPAddressField
    from webframe.db.models.fields.other import JSONField as JSONField
    from webframe.db.models.fields.other import UUIDField as UUIDField
    from webframe.db.models.fields.text import CharField as CharField
    from webframe.db.models.fields.text import EmailField as EmailField
    from webframe.db.models.fields.text import SlugField as SlugField
    from webframe.db.models.fields.text import TextField as TextField
    from webframe.db.models.fields.text import URLField as URLField
    from webframe.db.models.filtered import FilteredRelation as FilteredRelation
    from webframe.db.models.indexes import Index as Index
    from webframe.db.models.lookups import Lookup as Lookup
    from webframe.db.models.manager import Manager as Manager
    from webframe.db.models.query import QuerySet as QuerySet
    from webframe.db.models.related.fields import ForeignKey as ForeignKey
    from webframe.db.models.related.fields import OneToOneField as OneToOneField
    from webframe.db.models.related.many_to_many import ManyToManyField as ManyToManyField
    from webframe.db.models.related.prefetch import Prefetch as Prefetch
    from webframe.db.models.related.prefetch import aprefetch_related_objects as aprefetch_related_objects
    from webframe.db.models.related.prefetch import prefetch_related_objects as prefetch_related_objects
    from webframe.db.models.related.rels import ManyToManyRel as ManyToManyRel
    from webframe.db.models.related.rels import ManyToOneRel as ManyToOneRel
    from webframe.db.models.related.rels import OneToOneRel as OneToOneRel
    from webframe.db.models.subqueries import Exists as Exists
    from webframe.db.models.subqueries import OuterRef as OuterRef
    from webframe.db.models.subqueries import Subquery as Subquery
    from webframe.db.models.windows import RowRange as RowRange
    from webframe.db.models.windows import ValueRange as ValueRange
    from webframe.db.models.windows import Window as Window
    from webframe.db.models.windows import WindowFrame as WindowFrame

# The names of each file.
_NAMES = {
    "webframe.core.exceptions": "ObjectDoesNotExist",
    ".aggregates": "Aggregate Avg Count Max Min StdDev Sum Variance",
    ".base": "Model",
    ".calls": "ExpressionWrapper Func Transform",
    ".cases": "Case When",
    ".conditions": "Q",
    ".constraints": "BaseConstraint CheckConstraint Deferrable UniqueConstraint",
    ".deletion": "CASCADE DO_NOTHING PROTECT RESTRICT SET SET_DEFAULT SET_NULL ProtectedError RestrictedError",
    ".enums": "Choices IntegerChoices TextChoices",
    ".expressions": "F OrderBy Value",
    ".fields.base": "Field NOT_PROVIDED",
    ".fields.dates": "DateField DateTimeField DurationField TimeField",
    ".fields.numbers": "AutoField BigAutoField BigIntegerField BooleanField DecimalField FloatField IntegerField "
    "PositiveBigIntegerField PositiveIntegerField PositiveSmallIntegerField SmallAutoField SmallIntegerField",
    ".fields.other": "BinaryField GenericIPAddressField JSONField UUIDField",
    ".fields.text": "CharField EmailField SlugField TextField URLField",
    ".filtered": "FilteredRelation",
    ".indexes": "Index",
    ".lookups": "Lookup",
    ".manager": "Manager",
    ".query": "QuerySet",
    ".related.fields": "ForeignKey OneToOneField",
    ".related.many_to_many": "ManyToManyField",
    ".related.prefetch": "Prefetch aprefetch_related_objects prefetch_related_objects",
    ".related.rels": "ManyToManyRel ManyToOneRel OneToOneRel",
    ".subqueries": "Exists OuterRef Subquery",
    ".windows": "RowRange ValueRange Window WindowFrame",
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}

__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_door(__name__, _HOMES)

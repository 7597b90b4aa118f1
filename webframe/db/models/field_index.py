"""The fields of a model, the relations that point to it, and the parents they come from: a part of its `_meta`.

What is computed from them is kept until one is added: `Options._expire_cache` forgets it.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from webframe.conf import close_match
from webframe.core.exceptions import FieldDoesNotExist

# A model class.
ModelClass = type[Any]


class FieldIndex:
    """What can be asked about the fields of one model.

    Lists of fields are tuples, the parents' fields first: the same object each
    time until something is added.
    """

    def __init__(self) -> None:
        # The model itself, once its options are there.
        self.model: ModelClass
        # The fields that are declared in this very class, by order of declaration.
        self.local_fields: list[Any] = []
        self.local_many_to_many: list[Any] = []
        # Fields that are no columns and that no query knows; they are initialised by keyword only.
        self.private_fields: list[Any] = []
        # Parent model -> the field that links to it; None where the parent is the model that a proxy stands for.
        self.parents: dict[ModelClass, Any] = {}
        # The model that has the table: for a proxy another one, None for an abstract model.
        self.concrete_model: Any = None
        # Relations of other models that point to this one; those that point to a proxy are at its concrete model.
        self._pointing_here: list[Any] = []

    @cached_property
    def _forward(self) -> tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]:
        """Fields, many-to-many fields and private fields: the parents' first."""
        fields: dict[Any, None] = {}
        many: dict[Any, None] = {}
        private: dict[Any, None] = {}
        for parent in self.parents:
            parents = parent._meta._forward
            fields.update(dict.fromkeys(parents[0]))
            many.update(dict.fromkeys(parents[1]))
            private.update(dict.fromkeys(parents[2]))
        fields.update(dict.fromkeys(self.local_fields))
        many.update(dict.fromkeys(self.local_many_to_many))
        private.update(dict.fromkeys(self.private_fields))
        return tuple(fields), tuple(many), tuple(private)

    @property
    def fields(self) -> tuple[Any, ...]:
        """All forward fields that are columns or foreign keys: no many-to-many and no private ones."""
        return self._forward[0]

    @cached_property
    def concrete_fields(self) -> tuple[Any, ...]:
        """The fields with a column, those of parents first: the order of positional arguments of the class."""
        return tuple(field for field in self.fields if field.column is not None)

    @cached_property
    def local_concrete_fields(self) -> tuple[Any, ...]:
        """The fields with a column in the model's own table."""
        return tuple(field for field in self.local_fields if field.column is not None)

    @property
    def many_to_many(self) -> tuple[Any, ...]:
        """The many-to-many fields that the model or its parents declare."""
        return self._forward[1]

    @cached_property
    def db_returning_fields(self) -> tuple[Any, ...]:
        """The fields of the own table whose values the database makes; first the key, which every database tells."""
        found = [field for field in self.local_concrete_fields if field.db_returning]
        return tuple(sorted(found, key=lambda field: not field.is_auto_field))

    @cached_property
    def local_related_objects(self) -> tuple[Any, ...]:
        """Every relation that points to this very model, by the models that declare them.

        Of each the foreign keys come first, then many-to-many, in the order in which it declares them.
        """
        places: dict[ModelClass, int] = {}
        for relation in self._pointing_here:
            places.setdefault(relation.related_model, len(places))

        def place(relation: Any) -> tuple[int, bool, int]:
            field = relation.field
            return places[relation.related_model], field.many_to_many, field.creation_counter

        return tuple(sorted(self._pointing_here, key=place))

    @cached_property
    def all_related_objects(self) -> tuple[Any, ...]:
        """Every relation of other models that points here or to a parent, hidden ones among them."""
        found: dict[int, Any] = {}
        for parent in self.parents:
            for relation in parent._meta.all_related_objects:
                if not relation.parent_link:
                    found[id(relation)] = relation
        if self.concrete_model is not None:
            for relation in self.concrete_model._meta.local_related_objects:
                found[id(relation)] = relation
        return tuple(found.values())

    @cached_property
    def related_objects(self) -> tuple[Any, ...]:
        """The relations that point here: no hidden ones, save many-to-many."""
        return tuple(each for each in self.all_related_objects if not each.hidden or each.field.many_to_many)

    def get_fields(self, include_parents: bool = True, include_hidden: bool = False) -> list[Any]:
        """All fields: relations that point here, then forward fields, many-to-many and private ones.

        What comes from parents stands before that; ``include_parents=False`` leaves it out.
        """
        found: dict[Any, None] = {}
        if include_parents:
            for parent in self.parents:
                for each in parent._meta.get_fields(include_hidden=include_hidden):
                    if not getattr(each, "parent_link", False):
                        found[each] = None
        found.update((each, None) for each in self.local_related_objects if include_hidden or not each.hidden)
        found.update(dict.fromkeys((*self.local_fields, *self.local_many_to_many, *self.private_fields)))
        return list(found)

    @cached_property
    def fields_map(self) -> dict[str, Any]:
        """Every field by name, and by attname where that differs; relations that point here by their query name."""
        found: dict[str, Any] = {}
        for relation in self.all_related_objects:
            found.setdefault(relation.name, relation)
        forward = [field for fields in self._forward for field in fields]
        for field in forward:
            attname = getattr(field, "attname", None)
            if attname:
                found[attname] = field
        for field in forward:
            found[field.name] = field
        return found

    @cached_property
    def forward_fields_map(self) -> dict[str, Any]:
        """The fields that the model and its parents declare, by name and by attname."""
        own = {id(field) for fields in self._forward for field in fields}
        return {name: field for name, field in self.fields_map.items() if id(field) in own}

    def get_field(self, field_name: str) -> Any:
        """The field of this name; the attname ("author_id") and the query name of a relation that points here will do.

        Raises FieldDoesNotExist, with the names there are.
        """
        try:
            return self.fields_map[field_name]
        except KeyError:
            names = sorted(name for name in self.fields_map if not name.endswith("+"))
            raise FieldDoesNotExist(
                f"{self.model._meta.label} has no field {field_name!r}.{close_match(str(field_name), names)} "
                f"Its fields are {', '.join(names)}."
            ) from None

    @cached_property
    def all_parents(self) -> tuple[ModelClass, ...]:
        """All ancestors with a table, nearest first."""
        found = dict.fromkeys(self.parents)
        for parent in self.parents:
            found.update(dict.fromkeys(parent._meta.all_parents))
        return tuple(found)

    def get_parent_list(self) -> list[ModelClass]:
        """All ancestors with a table, nearest first."""
        return list(self.all_parents)

    def get_base_chain(self, model: ModelClass) -> list[ModelClass]:
        """The parents on the way to the ancestor `model`, nearest first and `model` last; empty if it is none."""
        if not self.parents:
            return []
        if model in self.parents:
            return [model]
        for parent in self.parents:
            chain = parent._meta.get_base_chain(model)
            if chain:
                return [parent, *chain]
        return []

    def get_ancestor_link(self, ancestor: ModelClass) -> Any:
        """The field of this model that leads to an ancestor, directly or on the way; None if there is none."""
        if ancestor in self.parents:
            return self.parents[ancestor]
        for parent, link in self.parents.items():
            parent_link = parent._meta.get_ancestor_link(ancestor)
            if parent_link:
                return link or parent_link
        return None

"""Pseudonyms: a colour, an animal and a number ("amber-heron-417"), under which an annotator appears."""

from __future__ import annotations

import secrets

COLOURS = """
    amber apricot ash auburn azure beige berry birch brass bronze brown cedar cherry chestnut cinnamon clay
    cobalt copper coral cream crimson cyan dusk ebony ecru emerald fawn fern flax garnet ginger gold granite
    hazel honey indigo iris ivory jade jasmine khaki lavender lemon lilac lime linen maple maroon mauve mint
    moss mulberry mustard ochre olive onyx opal orchid pearl peach pewter pine pink plum poppy quartz rose ruby
    russet rust saffron sage sand sapphire scarlet sepia sienna silver slate snow straw tan tawny teal topaz
    turquoise umber violet walnut wheat willow
""".split()  # noqa: SIM905 - a list of words reads best as words
ANIMALS = """
    alpaca antelope avocet badger beaver bee bison bittern bunting buzzard camel caribou cicada condor cormorant
    crane cricket curlew deer dipper dolphin dormouse dove dragonfly dunlin eagle egret eider elk falcon ferret
    finch firefly fox gazelle gecko gibbon goldcrest goose grebe grouse gull hare harrier hedgehog heron hoopoe
    ibex ibis jackdaw jay kestrel kingfisher kite koala lapwing lark lemur linnet lizard llama lynx magpie
    manatee marmot marten martin merlin mole moth narwhal newt nightjar nuthatch okapi oriole osprey otter owl
    oyster panda partridge pelican petrel pheasant pipit plover puffin quail rabbit raven redstart robin rook
    salmon seal shrew siskin snipe sparrow squirrel starling stilt stoat stork swallow swan swift tapir tern
    thrush toad turtle vole wagtail warbler weasel whale wren yak zebra
""".split()  # noqa: SIM905 - a list of words reads best as words


def new_pseudonym() -> str:
    """A random one of about ten million; whoever stores it makes sure that it is not taken."""
    return f"{secrets.choice(COLOURS)}-{secrets.choice(ANIMALS)}-{100 + secrets.randbelow(900)}"

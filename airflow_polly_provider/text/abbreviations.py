"""Words that end with a full stop inside a sentence, in the languages of Polly's voices.

The language of a text is not known. Therefore the lists leave out abbreviations that are common words in
another of these languages, such as Italian "sta.". Single letters ("z. B.", "M.", "p. ex.") need no entry.
"""

from __future__ import annotations

# ruff: noqa: RUF001  # the words of other alphabets

# In the order English, German, French, Spanish and Portuguese, Italian, Dutch, Nordic and Polish.
_TITLES = """
mr mrs ms messrs dr drs prof rev hon st jr sr capt cmdr col gen gov insp lt maj rep sen sgt supt esq
hr fr frl dipl ing hrsg
mm mme mmes mlle mlles mgr me
sra sras sres srta srtas dra dres ud uds vd vds excmo excma lic exmo exma profa ilmo ilma
sig sigg dott avv rag arch geom cav comm
dhr mevr ir
"""
_WORDS = """
approx apt assn ave bldg blvd bros cf co corp dept ed eds etc inc ltd mt ft rd viz vs
abb allg anm aufl bzgl bzw ca dgl ebd ehem einschl entspr etw evtl exkl geb gegr gest ggf inkl insb insbes jh
jhd kath mio mrd nachm näml od österr rd sog spp str std tel tsd urspr usf usw vgl vorm wg zzgl zz
av boul env ex hab
cía depto esp gral izq máx mín ntra pza tfno
ecc
bijv enz excl incl nl resp
bl dvs ev osv mfl kl
np itd itp tzn tzw ul
vb
ee uu
"""
_HINDI = "डॉ प्रो श्री पं कु स्व"
_CYRILLIC = "гг др пр ул стр рис руб тыс млн млрд проф акад напр"
_BEFORE_NUMBER = """
abs app art arts bd ch chap cap cl eq fig figs fol kap lib max min no nos nr nro num núm núms op p pág págs
pag para pp pt sec sect tab tav tit tom ver vers vol vols №
jan feb febr mar apr jun jul aug sep sept oct okt nov dec dez abr ago set out dic gen giu lug ott
janv févr avr juil déc
"""

ABBREVIATIONS = frozenset(f"{_TITLES} {_WORDS} {_HINDI} {_CYRILLIC}".split())
"""Abbreviations, in lower case and without the full stop."""

ABBREVIATIONS_BEFORE_NUMBER = frozenset(_BEFORE_NUMBER.split())
"""Words that are abbreviations only if a number follows ("No. 5", but "No. He left."), in lower case."""

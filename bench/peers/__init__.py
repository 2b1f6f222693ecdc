"""Other products that do Pictor's job, written small and in their best light, to be measured beside it.

Each is a module ``*_server``, which the peers' own interpreter runs (``make setup-peers``); what decodes
and infers is Pictor's own (`work`), so that only the serving differs. `catalogue` names them, `running`
starts and stops one, `sweep` (``make sweep-peers``) finds each one's best configuration, and
``python -m bench.peers NAME`` shows one at work.
"""

# SPDX-License-Identifier: MIT
"""The rules of the pipeline: values in, values out. No task, no journal, no clock; time is an argument.

    page         what is known of a page of messages, and every change that is legal
    lane         the same of a lane and the pages that it has in memory
    linking      which messages a proven head vouches for
    proving      which slots to ask for at a verified header, and what page heads say of a lane
    confirming   what a proven delivered bitmap says of a page
    showing      what changes where logs tell of blocks that are not final
    batching     which messages the next transactions carry
    gas          how much gas a delivery asks for
    anchoring    when several deliveries share the proof of one header
    instant      an instant by the wall's clock and by one that nobody sets
    story        the steps that the journal keeps of all this

`lane` and `page` alone change a lane or a page. The others read them and return what follows, and the tasks
hand that to their methods once it is committed.
"""

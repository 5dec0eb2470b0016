"""A real OpenStack control plane on this host, for tests: Debian 12's packages on 127.0.0.1.

    python -m tests.openstack_bed up        # start whatever does not run yet
    python -m tests.openstack_bed status
    python -m tests.openstack_bed down      # stop it; --wipe also removes all that it kept

Keystone, Placement, Glance, Nova, Neutron and Cinder are the real ones; machines are those of
Nova's own fake driver, so none really boots and tests play the guests. Everything is kept in one
folder, `$OPENSTACK_BED` or `~/.cache/vcycle-openstack-bed`. docs/dev/openstack-bed.md tells more.
"""

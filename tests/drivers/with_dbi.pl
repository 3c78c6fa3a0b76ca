#!/usr/bin/perl
# Perl's DBI with DBD::mysql, statements prepared by the driver (0) or by the server (1), then on while a node dies.
# with_dbi.pl 0|1 DATABASE STOP-FILE HOST:PORT…   (see tests/system/drivers.py)
use strict;
use warnings;
use DBI;

my ($prepared, $database, $stop, @places) = @ARGV;
my $name = "dbi$prepared";
my $handle;
$| = 1;

sub connect_somewhere {
    for (1 .. 100) {
        my ($host, $port) = split /:/, $places[0];
        my $source = "DBI:mysql:database=$database;host=$host;port=$port;mysql_server_prepare=$prepared;mysql_connect_timeout=10";
        $handle = eval { DBI->connect($source, "app", "secret", { RaiseError => 1, AutoCommit => 1, PrintError => 0 }) };
        return if $handle;
        push @places, shift @places;
    }
    die "no node takes a connection";
}

sub first_steps {
    $handle->do("CREATE TABLE $name (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(20), d DOUBLE)");
    my $insert = $handle->prepare("INSERT INTO $name (v, d) VALUES (?, ?)");
    $insert->execute("x$_", $_ / 3) for 1 .. 20;
    die "insert id" if $handle->last_insert_id(undef, undef, undef, undef) < 20;
    $handle->begin_work;
    $handle->do("DELETE FROM $name");
    $handle->rollback;
    my $rows = $handle->selectall_arrayref("SELECT id, v, d FROM $name WHERE id > ? ORDER BY id", undef, 0);
    die scalar(@$rows) . " rows" unless @$rows == 20 && $rows->[6][1] eq "x7";
    eval { $handle->do("INSERT INTO $name (id) VALUES (?)", undef, $rows->[0][0]); die "the key was taken twice" };
    die $@ unless $handle->err == 1062;
}

sub write_row {
    my ($number) = @_;
    while (1) {
        return if eval { $handle->do("INSERT INTO written VALUES (?, ?)", undef, $name, $number); 1 };
        return if $handle->err && $handle->err == 1062;    # what had no answer had been done
        eval { $handle->disconnect };
        undef $handle;
        connect_somewhere();
    }
}

connect_somewhere();
first_steps();
print "ready\n";
my $count = 0;
write_row($count++) until -e $stop;
print "done $count\n";

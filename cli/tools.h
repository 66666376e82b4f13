/* SPDX-License-Identifier: Apache-2.0
 *
 * The entry of every command, one line each; cli/commands.c lists them with
 * their options. All return an enum wr_exit. */
#ifndef WEIR_CLI_TOOLS_H
#define WEIR_CLI_TOOLS_H

#include "cli/command.h"

int wr_topic_create(struct wr_cli *cli);
int wr_topic_list(struct wr_cli *cli);
int wr_topic_describe(struct wr_cli *cli);
int wr_topic_delete(struct wr_cli *cli);
int wr_group_list(struct wr_cli *cli);
int wr_group_describe(struct wr_cli *cli);
int wr_produce(struct wr_cli *cli);
int wr_consume(struct wr_cli *cli);
int wr_query(struct wr_cli *cli);
int wr_check(struct wr_cli *cli);
int wr_topology(struct wr_cli *cli);
int wr_run(struct wr_cli *cli);
int wr_demo(struct wr_cli *cli);
int wr_help(struct wr_cli *cli);

#endif

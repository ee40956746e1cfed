"""Given names of many countries, in Latin letters, beyond the list in `name_lists`."""

from __future__ import annotations

from jangin.pii.words import words

MORE_ENGLISH_GIVEN = frozenset(
    words("""
    Aaliyah Abdul Abdullah Abe Abel Abraham Achim Ada Adele Adeline Adil Adnan Adolfo Adriana Adrienne Agatha Agnes
    Agnieszka Ahmad Aidan Aileen Aimee Ainsley Akira Aksel Alana Alasdair Alastair Alba Alberta Alberto Alden Alec
    Alejandra Aleksander Aleksandra Alena Alessandra Alessandro Alessia Alexa Alexandra Alexandre Alfonso Alfred
    Alfredo Algernon Alicia Alina Alisha Alison Aliyah Allan Allegra Allen Alma Alois Alondra Alonso Aloysius Althea
    Alton Alva Alvaro Alvin Alyssa Amalia Amani Amara Amaranta Amaya Ambrose Amina Amir Amira Amos Anahit Anand
    Anastasia Anders Anderson Andre Andreas Andreea Andrei Andres Andrej Angelica Angelina Angeline Angelique Angelo
    Angie Anika Anita Anja Annabel Annabelle Anne Annegret Annemarie Annette Annika Anouk Ansel Anselm Anthea Antoine
    Antoinette Anton Antonia Antonio Anwen Anya April Arabella Araceli Aram Archibald Ariadne Ariana Arianna Ariel
    Arlene Arlo Armand Armando Arnav Arne Arnold Aron Artem Arthur Artur Arturo Arvid Arwen Asha Asher Ashleigh Ashton
    Asif Asim Aslan Astra Athena Aubrey Audra Audrey August Augusta Augustine Augustus Aurelia Aurelio Aurora Avery
    Axel Ayaan Ayanda Ayesha Ayla Aylin Azadeh Aziz Baptiste Barnaby Barney Barrett Barry Bartholomew Bartosz Basil
    Bastian Bea Beata Beatriz Beatrix Beau Becca Bella Benedict Benedikt Benito Benjamin Benny Bernadette Bernard
    Bernardo Bernice Bernie Bert Bertha Bertram Bertrand Bess Bessie Bettina Beulah Beverley Bianca Bill Birgit
    Birgitta Bishnu Bjorn Bjarne Blaine Blair Blaise Blake Blanca Blanche Blythe Bo Bogdan Bonita Bonnie Boris Boyd
    Brad Bradford Brady Bram Brandi Brandy Branwen Breanna Breda Brenna Brennan Brent Brett Brian Brianna Brice Brigid
    Brigitte Britta Britt Brock Brody Bronagh Bronson Bronwyn Brooke Bruno Bryce Bryn Bryony Bukola Buster Byron Cade
    Caitlin Caitriona Calista Calvin Camilla Camille Candace Candice Carina Carl Carla Carlo Carlotta Carlton Carly
    Carmel Carmelo Carmine Carole Carolina Caroline Carrie Carson Caspar Casper Cassandra Cassie Catalina Catarina
    Caterina Cathal Cathleen Catrin Catriona Cecil Cecile Cecilia Cedric Celeste Celestine Celia Celine Cerys Cesar
    Chandra Chantal Charity Charlene Charley Charlie Charmaine Chelsea Cherie Cherry Chester Chiara Chika Chimamanda
    Chinedu Chioma Chloé Christa Christabel Christiaan Christiane Christoph Christophe Chukwuemeka Ciaran Cillian
    Cindy Claire Clara Clarissa Clark Claude Claudette Claudia Claudio Claus Clay Clayton Clementine Clement Cleo
    Cliff Clifford Clifton Clint Clinton Clodagh Clotilde Clyde Cody Colby Cole Coleen Colette Colleen Colm Connie
    Conor Conrad Constance Consuelo Cora Coral Coralie Cordelia Corey Corinna Corinne Cormac Cornelia Cornelius
    Corrine Cory Cosima Cosmo Courtney Cressida Cristian Cristiano Cristina Cristobal Crispin Cynthia Cyril Cyrus
    Dafydd Dagmar Dagny Dahlia Daisuke Dakota Dale Dalia Damien Damon Dana Dane Danica Daniele Danilo Danny Dante
    Daphne Dara Darby Darcy Daria Dario Darius Darla Darlene Darnell Darrell Darryl Daryl Dashiell Davey Davide Davina
    Davis Davron Dayo Deanna Debbie Debra Declan Dee Deepika Deidre Deirdre Deja Delia Delilah Della Delores Delphine
    Delroy Demetrius Demi Dena Denis Denise Denzel Derek Dermot Derrick Desiree Devin Devon Dewi Dexter Dhruv Dieter
    Dietmar Dietrich Digby Dilys Dimitri Dimitrios Dina Dinah Dino Dionne Dirk Dixie Dolly Dolores Domenico Dominik
    Dominika Dominique Don Donal Donald Donatella Donato Donnie Donovan Dora Doreen Dorian Dorota Dorothea Dorothee
    Dot Dougal Doug Drake Dulcie Dunstan Dusan Dustin Dwayne Dwight Dylan Eamon Eamonn Earl Earnest Eben Ebony Ed
    Eddie Edgar Edina Edith Edmond Edmund Edna Edouard Eduardo Edwin Edwina Effie Efua Egor Eileen Eilidh Eimear Einar
    Eira Eirlys Ekaterina Elaine Eldon Eleanora Elena Eleni Elfriede Eli Eliana Elias Elin Elina Elinor Elisa
    Elisabeth Elise Elisha Eliza Elke Ella Ellen Ellis Elmer Elodie Eloise Elsa Elsie Elspeth Elton Elvira Elvis
    Elwood Ember Emer Emeline Emerson Emery Emil Emile Emilia Emiliano Emilie Emilio Emlyn Emmanuel Emmanuelle
    Emmeline Emmett Emmy Emory Emre Emrys Endre Enid Enoch Enrico Enrique Enzo Eoghan Eoin Ephraim Eric Erik Erika
    Erin Erland Erma Ernestine Ernesto Ernst Errol Erwin Esmae Esme Esmeralda Esperanza Espen Estela Estelle Esteban
    Ethel Etta Etienne Eugenia Eugenie Eunice Euan Eustace Eva Evangeline Evelina Everett Ewa Ewan Eyal Ezekiel Ezra
    Fabian Fabiana Fabio Fabrice Fabrizio Faisal Farah Farid Farida Farouk Fatou Fatoumata Faustina Fay Faye Federica
    Federico Felicia Felicity Felipe Ferdinand Fergal Fern Fernanda Fidel Filip Filippo Finbar Findlay Finlay Finley
    Fintan Fitzgerald Fitzroy Flavia Flavio Fleur Flora Florence Florian Floyd Folasade Forrest Fran Francesca
    Francesco Franchesca Francine Francis Francisca Francisco Franco Francois Françoise François Frankie Franz
    Franziska Fraser Freda Freddy Frederic Frederick Frederik Frederika Freja Frida Frieda Friedrich Fritz Fumiko Gabe
    Gabor Gabriella Gabrielle Gael Gail Galina Gareth Garrett Garth Gaspar Gaston Gauri Gavin Gaynor Gemma Genevieve
    Geoff Geoffrey Georg George Georgette Georgia Georgiana Georgina Georgios Geraint Geraldine Gerard Gerardo Gerda
    Gerhard German Germaine Gertrude Gethin Giacomo Gianluca Gianna Gideon Gil Gilbert Gilberto Gilda Giles Gilles
    Gillian Gina Gino Giorgia Giorgio Giovanna Gisela Giselle Gita Giulia Giuliano Giulio Giuseppe Gladys Glen Glenda
    Glenys Glynis Glyn Godfrey Golda Gonzalo Gordon Gottfried Grady Grainne Grazia Gregor Greta Gretchen Griselda
    Griffin Guido Guillaume Guillermo Gulsen Gunnar Gunther Gurdeep Gus Gustav Gustavo Guadalupe Gwendolyn Gwyn
    Gwyneth Hadley Haider Hakan Hal Haley Halima Hamid Hamza Hank Hanna Hanne Hannelore Haroon Harald Haris Harish
    Harlan Harley Harmony Haruki Haruka Harvey Hattie Hector Heidi Heike Heinrich Heinz Helena Helene Helga Helmut
    Henk Henri Henrietta Henrik Henrike Herbert Herman Hermann Hermione Hester Hettie Hilary Hilda Hilde Hildegard
    Hiroko Hiroto Holger Homer Honor Honora Horace Horst Hortense Hubert Hugh Hugues Humphrey Ibrahima Ida Ifeanyi
    Ifeoma Ignacio Ignatius Igor Ike Ilana Ilaria Ilse Imani Iman Imran Ina Indira Ines Inês Inez Inga Inge Ingeborg
    Inigo Ioana Ion Ione Ira Ireneusz Irina Irma Irving Irwin Isaak Isabelle Isadora Isaiah Ishbel Isidore Isidro
    Ismael Ismail Isobel Isolde Israel Issa Itzel Ivana Ivar Iveta Ivo Ivonne Ivor Iwan Izabela Jaana Jacinta Jacinto
    Jackie Jaclyn Jacopo Jada Jaden Jaime Jake Jakob Jakub Jamal Jameson Jamila Jan Jana Jane Janelle Janet Janette
    Janey Janine Janis Janos Jared Jarrod Jarvis Jasper Jaya Jayden Jaylen Jayne Jayson Jeanette Jeanine Jeanne
    Jeannie Jedrzej Jemima Jemma Jenna Jennie Jennifer Jens Jeremiah Jermaine Jerome Jerry Jess Jessamy Jessamine
    Jessie Jethro Jill Jillian Jimmy Jitka Joachim Joan Joana Joanie Joann Joanna Joanne Joaquin Job Jocelyn Jodie
    Jody Joel Joelle Johan Johann Johanna Johannes Jolene Jolanda Jon Jonah Jonas Jonathon Jonty Joost Jordi Joris
    Josef Josefa Josefina Josefine Joseph Josephine Josiah Josie Jovan Joy Joyce Jozef Juanita Judah Judd Jude Judy
    Jules Juliana Julianne Julie Juliet Julieta Juliette Julio Julius Junaid Junko Jurgen Justine Justyna Jutta Kaan
    Kacper Kai Kaisa Kaito Kajal Kale Kamal Kamala Kamil Kane Kara Karan Karel Karim Karin Karina Karl Karla Karolina
    Karsten Kasia Kaspar Katarina Katarzyna Kate Katerina Katharina Katharine Kathy Katja Katrin Katrina Katya Kavya
    Kay Kayode Kayleigh Kazuo Keeley Keeva Keiko Keira Keisha Keita Kelechi Kelley Kelli Kelvin Kendall Kendra
    Kendrick Kennedy Kenny Kenneth Kent Kenzie Kerensa Kermit Kerry Keziah Kezia Khaled Khalil Kian Kiara Kieran Kiera
    Kikuko Kiki Kimberley Kimiko Kiran Kirk Kirsten Kirstin Kit Kjell Klara Knut Koen Kojo Konrad Konstantin
    Konstantinos Kris Krishna Krista Kristen Kristian Kristin Kristina Kristine Kristoffer Krystal Krystyna Krzysztof
    Kunal Kurt Kwabena Kwadwo Kwasi Kyla Kylie Kyra Lachlan Lacey Laila Lakisha Lalita Lamar Lana Lance Lara Larissa
    Lars Lasse Latisha Latoya Laurel Laurence Laurent Laurie Lavinia Lawson Lazaro Lea Leander Leandro Leann Leena
    Leif Leigh Leilani Lela Leland Lemuel Len Lena Lennart Lennie Lennox Lenny Lenora Leon Leona Leonardo Leonie
    Leonora Leopold Leora Leroy Les Leslie Lester Leticia Letitia Lettie Levi Lew Lewis Lex Lexi Liana Libby Lidia
    Liesel Lila Lilian Liliana Lilith Lillian Lillie Lina Linda Linden Lindsey Linnea Linus Lionel Lisbeth Lise
    Lisette Livia Liza Lizzie Ljubica Lloyd Logan Lois Lola Lonnie Lora Loren Lorena Lorenzo Loretta Lorna Lorenz
    Lottie Lotte Lou Louella Louie Louisa Louise Lourdes Lovell Lowell Luc Lucia Lucian Luciana Luciano Lucie Lucien
    Lucille Lucinda Lucretia Ludmila Ludwig Luigi Luisa Luka Lukas Lukasz Lula Lulu Luther Lyda Lydia Lyla Lyle Lyman
    Lyn Lynda Lyndon Lynette Lynn Lynne Lyra Mabel Macie Mack Mackenzie Macy Madeleine Madeline Madge Mads Mae Maeve
    Magda Magdalena Maggie Magnus Mahmoud Maia Maisie Maja Makoto Malachi Malak Malcolm Malia Malik Mallory Malte
    Mamadou Mandy Manfred Manish Manny Manoj Manon Manuel Manuela Mara Marc Marcel Marcela Marcelina Marcella Marcelle
    Marcelline Marcello Marcia Marcin Marco Marcos Marcy Mared Maren Margarida Margarita Margery Margit Margo Margot
    Marguerite Mari Mariam Marian Marianna Marianne Mariano Maribel Marie Mariela Marietta Mariko Marilena Marina
    Mario Maris Marisa Marisol Marissa Marit Marius Marjorie Markus Marla Marlene Marlon Marlowe Marnie Marsha
    Marshall Marta Martijn Martin Martina Martine Marty Marvin Maryann Marzena Masako Massimo Masud Mateusz Mathew
    Mathias Mathieu Mathilda Mathilde Mats Matteo Matthias Mattie Maud Maude Maura Maurice Mauricio Mauro Mavis Maxim
    Maxime Maximilian Maxine Maxwell May Maya Maybelle Mayra Mbali Meagan Mechthild Megan Mehmet Mehul Meilin Mel
    Melanie Melania Melinda Melina Melody Melva Melvin Mercedes Mercy Meredith Merle Merlin Merrick Merry Mervyn Meryl
    Mia Micah Michaela Michal Michalina Michel Michela Michele Micheline Mick Mickey Miguel Mika Mikael Mikaela
    Mikhail Mikko Mila Milan Milada Mildred Milena Milly Millie Milo Milos Milton Mimi Mina Mindy Minerva Minna Minnie
    Mira Mirabel Miranda Mireille Mirela Miriam Miroslav Mirjam Mitch Mitchell Mitsuko Moana Modupe Mohamad Mohammad
    Moira Moises Mona Monika Monique Montgomery Montserrat Morag Mordecai Morgana Moritz Morris Morten Mortimer Moses
    Moshe Muhammed Muriel Murray Mustafa Myles Myra Myriam Myrna Myron Myrtle Nabil Nada Nadia Nadine Nadja Naima
    Nairobi Nan Nana Nanette Napoleon Narendra Nasir Nasreen Nastassja Natalia Nataliya Natascha Nathalie Nathaniel
    Naveen Navya Neal Ned Neda Neela Neil Nell Nella Nellie Nelly Nelson Nena Neo Nerys Nesta Nestor Netta Nettie
    Nevaeh Neville Nia Niall Nick Nicki Nickolas Nico Nicola Nicolas Nicolai Nicolette Nicoletta Niels Nigella Nikhil
    Niki Nikita Nikki Niklas Nikolaj Nikolaos Nikolas Nils Nina Ninette Nita Nitin Noa Noel Noelia Noelle Noemi Nola
    Nolan Nomvula Nona Nonso Norbert Noreen Norma Norris Nova Nuala Nuno Nuria Nyla Oakley Obinna Octavia Octavio
    Odalys Odette Odin Odysseus Ofelia Oisin Ola Olaf Olena Oleg Oleksandr Oliver Olof Oluwaseun Olympia Omari Oona
    Ophelia Oriana Orla Orlando Orson Orville Osama Osbert Oskar Osvaldo Oswald Otis Otto Ottilie Ottoline Ovidiu
    Owain Ozgur Paddy Padraig Paige Paloma Pamela Pandora Paola Pascal Pascale Pat Patience Patrice Patricio Patrizia
    Patrycja Patsy Patti Patty Paula Paulette Paulina Pauline Paulo Pavel Pawel Paz Pearl Pedro Peggy Penelope Perla
    Pernille Perpetua Perry Petar Pete Petra Petros Petronella Petrus Phil Philippa Philippe Phillip Philomena Phineas
    Phoebe Phyllis Pia Pieter Pietro Pilar Pippa Piotr Piper Polly Portia Prakash Pranav Prashant Precious Prentice
    Primrose Princess Priscilla Prudence Przemyslaw Quincy Quinn Quintin Rachael Radek Radha Radu Rafa Rafal Rafe
    Raheem Rain Raina Rainer Raisa Rajesh Rajiv Raleigh Ralf Ram Rama Ramesh Ramiro Ramon Ramona Randall Randolph
    Rania Ranjit Raoul Raphael Raquel Rasheed Rashid Rasmus Raul Raven Ravinder Ravindra Ray Raya Raymundo Reagan
    Rebekah Reece Reed Reese Regan Regina Regine Reid Reiko Reiner Reinhard Reinhold Rekha Rembert Remi Remy Rena
    Renata Renate Renato Rene Renée Renee Reto Reuben Rex Rey Reyna Reza Rhea Rhett Rhiannon Rhoda Rhona Rhonda Ria
    Ric Ricarda Riccardo Rich Rick Ricky Rico Rigoberto Riku Rina Rita Ritu River Roald Robbie Roberta Roberto Robyn
    Rocco Rochelle Rocio Rod Roderick Rodney Rodolfo Rodrigo Roger Rohit Roisin Roland Rolf Roma Romain Roman Romeo
    Romilly Romy Rona Ronan Ronja Ronnie Rosa Rosalia Rosalie Rosalind Rosalyn Rosamund Rosanna Rosario Rosaura Roscoe
    Roselyn Rosetta Rosie Rosina Roslyn Ross Rowan Rowena Roxana Roxanne Royce Roza Ruben Rudi Rudolf Rudolph Rudy
    Rufus Rui Rukhsana Rune Rupa Rupal Rupert Rupinder Rusty Ruth Rutger Ruthie Ryder Sabina Sabine Sabrina Sadie
    Safiya Sage Sahil Said Saira Salim Sally Salma Salman Salome Salvador Salvatore Samar Samina Samir Samira Sammy
    Samson Sana Sander Sandeep Sandro Sandy Sanja Sanna Sanne Santos Sapna Sara Sascha Sasha Saskia Satoshi Saul
    Savannah Scarlett Seamus Sebastien Selena Selina Selma Selwyn Senan Serena Seren Serge Sergey Serhiy Seth Severin
    Seymour Shabnam Shahid Shakira Shanelle Shanice Shania Shanna Shannon Shanti Shari Sharif Sharma Shauna Shayla
    Shea Sheena Shelby Sheldon Shelley Shelly Sheree Sheri Sherman Sherri Sherry Sheryl Shilpa Shira Shiv Shiva Shonda
    Shreya Shruti Shu Sian Sidney Sidonie Siegfried Sienna Sierra Sigmund Signe Sigrid Silas Silke Silvana Silvester
    Silvia Silvio Simeon Simona Simone Sinead Siri Skye Skylar Slava Slawomir Sloane Solange Solomon Solveig Sonal
    Sondra Sonia Sonja Sonny Sonya Sophia Soraya Soren Spiros Stacey Staci Stacy Stacie Stan Stanislav Stanislaw
    Stavros Stefania Stefanie Stefano Steffen Stella Stephan Stephane Stephania Sten Sterling Stevie Stewart Stig
    Struan Sulaiman Suleiman Sunil Suraj Surinder Susana Susanna Susannah Susanne Susie Suzanne Suzette Suzy Sven
    Svenja Svetlana Sybil Sydney Sylvain Sylvester Sylvia Sylvie Tabitha Tadeusz Tahlia Takeshi Talia Talitha Tallulah
    Tam Tamika Tamsin Tania Tansy Tapani Tarek Taro Tarun Taryn Tasha Tate Tatum Tavish Taylor Teagan Ted Teddy Tegan
    Temitope Teodor Terence Teresita Terrance Terrell Terrence Terri Tess Tessa Thabo Thaddeus Thalia Thandiwe Thea
    Thelma Theo Theodor Theodora Theodore Theresia Therese Thibault Thierry Thijs Thomasina Thor Thora Thorsten Thu
    Thuy Tia Tiago Tiana Tiberius Tilda Till Tillie Tilly Timo Timothee Timur Titus Tobi Toby Todor Tobin Tomas Tomasz
    Tomi Tommaso Tommy Tomoko Toni Tonia Tonya Topher Torben Tori Torsten Tracey Traci Tracie Treena Trent Trevor
    Tricia Trina Trinity Trish Trisha Tristan Tristram Trudy Truman Tuan Tucker Tudor Tunde Twyla Tyra Tyree Tyrell
    Tyrone Tyson Uchenna Udo Ulrich Ulrike Ulysses Uma Umar Una Unai Upton Uri Uriah Uriel Ursina Ursula Usha Uwe
    Vaclav Val Valentin Valentine Valentino Valeria Valerie Valery Van Vance Vanya Varun Vasiliki Vasily Vaughn Velma
    Venetia Venus Verity Verna Vernon Veronique Vicente Vicki Vicky Victoire Vida Vidya Vijay Viktor Viktoria Vilma
    Vince Vincenzo Viola Virgil Virginie Vito Vittoria Vivek Vivian Viviana Vivien Vivienne Volodymyr Volker Vusi Wade
    Waldo Wallace Wally Walker Wallis Wanda Wangari Warren Washington Waverly Webster Weldon Wendell Werner Wes Wesley
    Weston Whitney Wiebke Wilbert Wilbur Wilfred Wilfrid Wilhelm Wilhelmina Willa Willard Willem Willis Willow Wilma
    Wilson Winifred Winnie Wojciech Wolfgang Woodrow Wyatt Wynne Xander Xanthe Xavier Ximena Xiomara Xochitl Yaa Yael
    Yan Yana Yannick Yannis Yara Yaroslav Yasin Yasir Yasmine Yelena Yetunde Yevgeny Ying Yolanda Yoshi Yoshiko Yosef
    Yousef Youssef Ysabel Yukiko Yulia Yuri Yusra Yvette Yves Yvonne Zac Zachariah Zack Zadie Zahra Zaid Zainab Zane
    Zara Zarina Zeke Zelda Zena Zeynep Zia Zita Zoltan Zoey Zofia Zola Zora Zoran Zsofia Zubair Zuleika Zuri Zuzana
    Zuzanna Emeka Amadi Nkechi Ebele Chinonso Obiageli Yewande Bolanle Titilayo Olumide Femi Segun Akin Ayodele Kofi
    Ama Akosua Esi Adwoa Wanjiru Njeri Atieno Juma Baraka Neema Zawadi Sipho Nomsa Lerato Tebogo Kagiso Palesa Naledi
    Tariro Tendai Farai Rudo Chipo Abiola Adebola Pham Tran Hoang Trang Huong Lan Mai Nga Phuong Quang Hung Dung Duc
    Hieu Khanh Thao Tuyet Xuan Yen Jing Xin Yi Yun Hui Lei Qiang Xiaoming Xiaoli Zhiwei Guang Haruto Sota Ren Aoi Hina
    Yui Daichi Shota Kaori Naoko Akiko Miyuki Nobuko Kenta Ryota Dolma Tenzin Pema Sonam Tashi Dawa Suman Sunita Sita
    Binod Prabin Sabita Jovelyn Analyn Marites Jericho Dwi Sri Budi Agus Siti Nur Putri Wayan Made Ketut Nurul Rizky
    Somchai Siriporn Nattapong Apinya Aung Thida Sokha Bolormaa Batbayar Otgon Ganbold Munkh Altan Saule Aigerim
    Nurlan Jasur Dilnoza Gulnara Rustam Farrukh Shoira
""")
)
# They are words or places too: alone they say nothing, before another capitalised word that is no surname neither.
MORE_AMBIGUOUS = frozenset(
    words("""
    Ada Alma Alton April Archer August Aurora Avery Blaine Blair Blake Blanche Bo Bonnie Bradford Bram Brock Brooke
    Buster Byron Carson Cedric Charity Chelsea Cherry Chester Christian Clark Clay Clement Cliff Clifton Clint Clinton
    Cole Constance Coral Cosmo Dakota Dale Dana Dane Dee Delores Demi Devon Dixie Dolly Don Dora Dot Drake Dung
    Earnest Ebony Ed Elder Ember Emerson Emory Eve Everett Fay Fern Fleur Flora Florence Floyd Forrest Fran Francis
    Frankie Fraser Gail Garland Gale Georgia German Gil Glen Gordon Gus Hadley Hal Harley Harmony Harvey Heath Homer
    Honor Hung Ida Imani Ina Ion Ira Irving Israel Issa Jackie Jan Jana Jasper Jess Job Jordi Joy Jude Jules Kay Kai
    Kale Kendall Kennedy Kent Kit Kris Kurt Lan Lana Lance Lara Laurel Laurie Lea Leigh Len Lennox Leon Les Lew Lewis
    Lex Lily Linden Lloyd Logan Lou Louie Lourdes Lulu Luther Lyn Lynn Mack Mae Mai Male Made Malik Marina Mario Maris
    Marshall Marty Maxim Maxwell May Maya Mel Melody Mercedes Mercy Merlin Merry Mia Mila Milan Milo Milton Mimi Mina
    Minnie Mira Mitchell Mona Montgomery Morgana Morris Moses Murray Myra Nairobi Nan Nana Nell Nelson Neo Nestor Nico
    Nikita Nina Noel Nola Nolan Nona Norma Norris Nova Nur Oakley Ola Olympia Orlando Otis Otto Owen Paddy Paige
    Pandora Pascal Pat Patience Patti Paz Pearl Pema Penelope Perpetua Perry Phil Piper Polly Portia Precious Prentice
    Primrose Princess Prudence Quincy Quinn Rain Raleigh Ram Rama Randall Raven Ray Reed Reese Regan Reid Remy Ren
    Rena Rene Rex Rey Rich Rick River Rob Rocco Rod Roland Roma Roman Romeo Ross Royce Ruth Rui Rusty Sage Said Sally
    Samson Sana Sandy Santos Savannah Scarlett Shannon Shea Shelby Shiva Sierra Siena Sienna Sky Skye Solomon Sonny
    Spencer Stacy Stan Sterling Stewart Sri Sydney Tam Tate Taylor Ted Teddy Thor Thu Till Titus Toby Toni Tori Trang
    Trent Trinity Tucker Tudor Tyson Uma Una Upton Val Valentine Van Vance Venus Verity Vernon Vice Vida Viola Virgil
    Vito Wade Waldo Walker Wallace Warren Washington Waverly Webster Weston Whitney Willow Wilson Wyatt Yan Yen Yi
    Ying Yun Zac Zane Zia Zola Zuri Anderson Davis Griffin Harper Mackenzie Palmer Lawson Jameson Kelvin Apache Java
    Art Alberta Carolina Augusta Rico Brent Astra Taro Raymond Prakash Anand Carina Amir Aziz Basil Barry Bella Bert
    Bill Boris Celeste Cody Crystal Daria Denis Electra Elvis Faith Gemma Hope Iris Ivy Jade Jamal Juniper Kermit Lyra
    Magnolia Maxine Olive Penny Poppy Rose Ruby Summer Violet Baraka Juma Dawa Suman Sita Rosa
""")
)
